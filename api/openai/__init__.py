"""The dialect of OpenAI's images API, spoken under /openai/v1 (docs/openai.md).

A translation and no second way in: what comes is made into requests of `POST /v1/jobs`, and what
they give is answered in the form that OpenAI's clients read.
"""
