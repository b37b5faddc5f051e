"""The job file: its models (`models`), how it is read (`read`), its dates (`template`) and its hash (`fingerprint`)."""
