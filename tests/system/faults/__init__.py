"""The fault suite: each fault for real, and what RELION's user, scheduler and disk see of it."""
