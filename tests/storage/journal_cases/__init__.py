"""What is noted of the commands of each type: cases for the test of the journal."""
