"""Reading a legacy database, checking all of it, and writing it into the script store stage by stage."""
