"""What brings files: the SFTP server's owner and the folder watch. Each ends in `Intake.submit`."""
