"""First fills: a backlog of user-updates goes to Sailthru as update jobs, files of many users."""
