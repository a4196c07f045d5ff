"""What a labelled point is: sampled, on tensors, in files, and the area that it stands for."""
