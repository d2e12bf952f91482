"""What an experiment would read, write and take, without running it.

``--dry_run`` of every script with a YAML: plan.py prints it, inputs.py, models.py
and resources.py find it out. Nothing is written.
"""
