"""What Alembic runs. Its connection comes from server/database.py, open in a transaction; there is no offline mode."""

from alembic import context

import models  # noqa: F401  (reads every table into the metadata)
from models.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    # SQLite changes a table by copying it; autogenerate writes migrations that both databases can run.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
