"""Makes the Stage-1 graphs of a Qwen3-VL checkpoint: uint8 views in, hidden states of the image tokens out."""
