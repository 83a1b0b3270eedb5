"""A model in diffusers' or OpenVINO's layout becomes a bundle."""
