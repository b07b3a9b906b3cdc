"""A small service of drawers, folders and files, whose customers can hear of every change."""
