"""Where words are said in running speech."""
