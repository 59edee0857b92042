module orgimport

go 1.26
