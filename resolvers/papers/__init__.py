"""Evidence packs as papers that people read: CSV, XLSX and PDF, from the same contents."""
