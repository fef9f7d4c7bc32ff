"""The catalogue of notices: every finding about a customer's data that this product can report.

A notice is data, not an exception. Its code names the defect; the catalogue fixes its severity, the words the
customer reads and the hint that says how to mend the row. Messages are templates over `{expected}` (and, where a
template says so, `{value}`): the parts are constant for one check of one field, so a whole column shares one text.
No article stands before a part, which may be an item, an invoice or an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error keeps its row out of the import; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class NoticeCode:
    """One kind of finding."""

    code: str
    severity: Severity
    message: str
    hint: str


def _error(code: str, message: str, hint: str) -> NoticeCode:
    return NoticeCode(code, Severity.ERROR, message, hint)


def _warning(code: str, message: str, hint: str) -> NoticeCode:
    return NoticeCode(code, Severity.WARNING, message, hint)


_ALL = (
    # --- the file as a whole -------------------------------------------------------------------------------------
    _error("empty_file", "The file is empty", "Send a file with a header row."),
    _error("unknown_entity", "{expected}", "Rename the file, or put it in the folder of its type."),
    _error("ambiguous_entity", "{expected}", "Put the file in the folder of its type."),
    _error("invalid_encoding", "The file is not valid UTF-8 text (byte {expected})", "Save the file as UTF-8."),
    _error("unreadable_file", "The file cannot be read: {expected}", "Export the file again and check that it opens."),
    _error("too_large", "The file is over a limit: {expected}", "Send it in parts, or ask for a higher limit."),
    _error(
        "no_key", "The file is encrypted for keys that we do not have: {expected}", "Encrypt it for our present key."
    ),
    _error(
        "tampered", "The file was damaged or changed after it was encrypted or signed", "Encrypt and send it again."
    ),
    _error("unsigned", "The file is not signed", "Sign it with the key that we know of you."),
    _error(
        "unknown_signer",
        "The file is signed with a key that does not count: {expected}",
        "Sign it with the key that we know of you, or send us the new one.",
    ),
    _error(
        "encrypted_archive",
        "The archive is protected by a password",
        "Send it without a password; SFTP encrypts on the way, and PGP keeps files closed beyond that.",
    ),
    _error("empty_archive", "The archive holds no files", "Put the files into it and send it again."),
    _error("nothing_imported", "None of the {expected} files in it could be imported", "See the report of each file."),
    _error(
        "missing_header",
        "The file has no header row",
        "Put the column names in the first row, or let the feed say `header` or `columns`.",
    ),
    _error("duplicate_column", "The column name {expected} appears more than once", "Give every column its own name."),
    _error("missing_column", "Required column {expected} is missing", "Add the column; see the template in /docs."),
    _error("possibly_truncated", "The last record is cut off: {expected}", "Upload the file again, or approve it."),
    _warning(
        "unverified_signature",
        "The file is signed with a key that does not count, so nobody knows who signed it: {expected}",
        "Send us the certificate of that key.",
    ),
    _warning(
        "unknown_column", "Column {expected} is not part of this type and was not imported", "Remove or rename it."
    ),
    _warning(
        "similar_column",
        "Column {expected}, since the names are alike",
        "Call the column as the template in /docs does.",
    ),
    _warning("unnamed_column", "Column {expected} has no name and was not imported", "Give the column a name."),
    _warning(
        "guessed_encoding",
        "The file is not UTF-8; it was read as {expected}",
        "Save the file as UTF-8, or let its feed say the encoding.",
    ),
    _warning(
        "other_sheets",
        "Only the sheet {expected} was imported; others have rows as well",
        "Send one sheet, or let the feed say which.",
    ),
    _warning(
        "rounded_numbers",
        "A spreadsheet keeps 15 digits of a number; longer ones end in zeros, columns: {expected}",
        "Format such columns as text before anything is typed into them.",
    ),
    _error("invalid_record", "The line is no JSON object", "Send one object on each line."),
    _warning(
        "dialect_deviates", "The feed says {expected}", "Export the file as agreed, or change what the feed says."
    ),
    _warning(
        "comments_skipped",
        "{expected} lines are comments and were not imported",
        "Leave out what is no row, or let the feed say `comment`.",
    ),
    _warning(
        "preamble_skipped",
        "What stands above the rows is none of them and was not imported, lines: {expected}",
        "Leave out what is no row, or let the feed say `header`.",
    ),
    _warning(
        "mended_header",
        "The quotes of the header row are broken; its names were read as {expected}",
        "Put the whole name in quotes and double every quote inside it.",
    ),
    _error("repeated_header", "The row repeats the column names", "Nothing needs to be done."),
    _warning(
        "footer_skipped",
        "What stands below the rows is none of them and was not imported, lines: {expected}",
        "Leave out what is no row, or let the feed say `footer`.",
    ),
    _warning(
        "no_recipient",
        "The reports are withheld: there is no key of yours that they could be encrypted for",
        "Send us a new public key.",
    ),
    _warning(
        "read_as_missing",
        "Cells of this column that say {expected} were read as empty",
        "Leave a cell empty that holds no value.",
    ),
    # --- our side ------------------------------------------------------------------------------------------------
    _error("internal_error", "Something went wrong on our side; reference {expected}", "Nothing was imported. Ask us."),
    _error("attempts_exhausted", "The import did not finish in {expected} attempts", "Nothing was imported. Ask us."),
    _error("drop_missing", "The stored file is gone", "Send the file again."),
    _warning(
        "waits_for_decision",
        "It waits behind import {expected}, which needs a decision; removing that file releases the line",
        "Approve, reject or remove the held file.",
    ),
    _warning("waits_for_its_time", "It does not start before {expected}", "Nothing needs to be done."),
    _warning("waits_for_its_turn", "It starts after import {expected}", "Nothing needs to be done."),
    _warning("waits_for_companion", "It waits for {expected}", "Send what it waits for."),
    _warning("waits_for_resumption", "Imports of {expected} are paused", "Ask when they are resumed."),
    _error("timed_out", "The import took longer than {expected} and was given up", "Nothing was imported. Ask us."),
    _error("superseded", "A newer file took its place: {expected}", "Nothing needs to be done."),
    _error("canceled", "The import was canceled", "Send the file again if that was not meant."),
    # --- what came beside a drop, or at its end, and says otherwise --------------------------------------------------
    _warning("companion_missing", "It came without {expected}", "Send it, or approve the file without it."),
    _warning("companion_unreadable", "{expected}", "Send it again as it should be, or approve the file without it."),
    _warning("checksum_mismatch", "{expected}", "Send both files again, or approve this one."),
    _warning("count_mismatch", "{expected}", "Send the whole file again, or approve it."),
    _warning("sum_mismatch", "{expected}", "Send the whole file again, or approve it."),
    _warning(
        "trailer_missing",
        "The last line is no trailer such as {expected}",
        "Send the whole file again, or approve it; then that line is read as a row.",
    ),
    # --- a drop that repeats another -------------------------------------------------------------------------------
    _warning("repeated_drop", "{expected}", "Approve it to import it all the same, or reject it."),
    # --- an overwrite ----------------------------------------------------------------------------------------------
    _warning("empty_overwrite", "A file without rows would remove every record", "Send the whole file, or approve it."),
    _warning(
        "mass_removal",
        "The file leaves out {expected} records, which an overwrite removes",
        "Send the whole file, or approve it.",
    ),
    _warning(
        "cleanup_skipped",
        "No record was removed: the key of {expected} rows cannot be read",
        "Correct these rows and send the whole file again.",
    ),
    _warning(
        "kept_referenced",
        "Records that the file leaves out were kept, since others refer to {expected}",
        "Send what refers to them without the reference, then this file again.",
    ),
    # --- one row -------------------------------------------------------------------------------------------------
    _error(
        "wrong_cell_count",
        "The row does not have {expected} cells, as the header has",
        "Put cells that hold a separator in quotes.",
    ),
    _error(
        "broken_quotes",
        "The quotes of this line are broken: one never closes, or text follows a closing one",
        "Put the whole cell in quotes and double every quote inside it.",
    ),
    _error("duplicate_row", "{expected}", "Keep one row for each key."),
    _error("identical_row", "The row is an exact copy of an earlier row, which was kept", "Nothing needs to be done."),
    # --- one cell ------------------------------------------------------------------------------------------------
    _error("required", "Field is required", "Fill in a value."),
    _error("invalid_type", "Invalid {expected}", "See the data dictionary in /docs for accepted formats."),
    _error(
        "number_too_large", "Number has too many digits; at most {expected} are kept exactly", "Shorten the number."
    ),
    _error(
        "ambiguous_number",
        "Number may be read in two ways: the point or the comma may stand before the decimals or group the digits",
        "Send 1234.50 without groups, or have the feed's files declared to have a decimal point or comma.",
    ),
    _error(
        "ambiguous_date",
        "Date may be read in several ways: {expected}",
        "Send YYYY-MM-DD, or have the order of the feed's dates declared.",
    ),
    _error(
        "scientific_id",
        "A spreadsheet has abbreviated this to a power of ten; its other digits are lost",
        "Format the column as text and export it again from where the value is whole.",
    ),
    _error("spreadsheet_error", "The cell is an error of a spreadsheet", "Correct the formula, or leave it empty."),
    _warning(
        "invisible_characters",
        "Characters around the value that nobody sees were left out",
        "Remove no-break spaces and characters without width.",
    ),
    _error("invalid_email", "Invalid email format", "An address looks like name@example.com."),
    _error("invalid_uri", "Invalid URI format", "An address looks like https://example.com/page."),
    _error("invalid_uuid", "Invalid UUID format", "A UUID looks like 123e4567-e89b-12d3-a456-426614174000."),
    _error("invalid_binary", "Invalid base64 text", "Send the bytes in base64, with its padding and no line breaks."),
    _error("invalid_phone", "Invalid phone number", "A number looks like +1 602 555 0134; leave out extensions."),
    _error("invalid_country", "Invalid country", "Use a code of ISO 3166-1 such as US, or the country's English name."),
    _error("invalid_currency", "Invalid currency", "Use a code of ISO 4217 such as USD."),
    _error("invalid_enum_value", "Invalid enum value. Expected {expected}", "Use one of the expected values."),
    _error(
        "pattern_mismatch", "Value does not match the pattern {expected}", "See the example in the data dictionary."
    ),
    _error("below_minimum", "Value must be at least {expected}", "Correct the value."),
    _error("above_maximum", "Value must be at most {expected}", "Correct the value."),
    _error("too_short", "Value must have at least {expected}", "Correct the value."),
    _error("too_long", "Value must have at most {expected}", "Shorten the value."),
    _error("not_unique", "Value must be unique and appears more than once in the file", "Keep it on one record only."),
    _error("value_taken", "Value must be unique and another record has it", "Keep it on one record only."),
    _error("ambiguous_time", "The hour happens twice on that day in {expected}", "Add the offset, as in +02:00."),
    _error(
        "nonexistent_time", "The hour does not exist on that day in {expected}", "Correct the time or add the offset."
    ),
    _error("invalid_text", "Text contains a NUL character", "Remove the character."),
    # --- the record itself ---------------------------------------------------------------------------------------
    _error("already_exists", "A record with this key exists already", "Use merge or update to change it."),
    _error("not_found", "No record with this key exists", "Correct the key, or use merge to create the record."),
    _error(
        "still_referenced",
        "The record cannot be deleted while {expected} records refer to it",
        "Delete what refers to it first, or with it.",
    ),
    # --- across entities -----------------------------------------------------------------------------------------
    _error("incomplete_reference", "A reference needs all of {expected}", "Fill in all of them, or none."),
    _error(
        "ambiguous_reference",
        "Several sources have {expected} records with this key",
        "Send it under the source that the record belongs to.",
    ),
    _error(
        "reference_not_found",
        "No {expected} with this key exists",
        "Send the referenced record first, or correct the key.",
    ),
)

CATALOGUE: dict[str, NoticeCode] = {notice.code: notice for notice in _ALL}


def message(code: str, *, expected: str = "", value: str = "") -> str:
    """The customer's sentence for one notice."""
    return CATALOGUE[code].message.replace("{expected}", expected).replace("{value}", value)
