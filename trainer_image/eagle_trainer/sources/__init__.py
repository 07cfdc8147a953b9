"""Where the data come from: the organization's database in production, files on a laptop. Both answer alike."""
