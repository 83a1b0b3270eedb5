"""Families of models: how their single files are told apart, and what these do not say."""
