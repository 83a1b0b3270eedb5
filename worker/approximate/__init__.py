"""The approximate cache: an image begins with the latents that a near prompt's image had."""
