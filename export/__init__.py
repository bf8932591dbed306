"""Export a network: lowerings, pipelines that cut it into graphs, one file per format. Heavy imports come late."""
