"""What a label file is: colour, binary and index masks; decoding; the cache of decoded files."""
