"""What programs define and agree, and how anything is done in one."""
