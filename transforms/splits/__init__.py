"""Who is trained on, selected on and tested on; assigned, proved and audited."""
