"""What people read: pages made from an `AuditLog` and nothing else."""
