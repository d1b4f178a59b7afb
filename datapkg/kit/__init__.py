"""What every domain stands on: databases, columns, models, documents, validation, errors."""
