"""GitOps for tests: this tree as the platform's Git repository, and an Argo CD that builds a cluster from it."""
