"""Reading rows a bounded piece at a time: what a request may ask for, cursors, pages, exports."""
