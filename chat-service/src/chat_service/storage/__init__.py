"""The connections that the log and the directory share, one file per database."""
