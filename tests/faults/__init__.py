"""What may go wrong and must not hurt: kill -9, power cut, full disk, floods, garbage."""
