//! Hostile models, schemas and prompts.
