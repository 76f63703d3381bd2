"""The boards as data: `python -m grafana.boards` writes grafana/dashboards."""
