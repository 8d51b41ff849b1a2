"""YAML to frozen pydantic models, with errors that name the file, the path in it and the remedy.

What may not live here: secrets. A password or key is named by an environment variable or by the path of a file.
"""
