"""Files of records that are no delimited text, brought into plain form: JSON, XML, Parquet, fixed width."""
