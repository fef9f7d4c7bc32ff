"""What brings files: the SFTP server's owner (and meter) and the folder watch. Each ends in `Intake.submit`."""
