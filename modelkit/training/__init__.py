"""Training models: fine-tuning, quantisation-aware training, and smaller UNets by distillation."""
