"""The developer's verbs `check` and `test`, and the reference pages made from the code; of use in a checkout only."""
