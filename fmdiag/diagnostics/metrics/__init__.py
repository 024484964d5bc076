"""The diagnostic metrics, a part of the audit: every registered metric on the samples and on both sets of examples."""
