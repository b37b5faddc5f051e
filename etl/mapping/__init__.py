"""The mapping room: the job's SQL expressions over a batch, evaluated by DuckDB; out come the matches of each event rule."""
