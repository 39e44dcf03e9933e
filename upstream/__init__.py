"""The receiving end: takes journals in, proves them whole, reconciles and reports."""
