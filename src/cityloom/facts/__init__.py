"""Facts about people, verified from what registers and datasets say, so that nobody brings papers (以数据核验代替证明)."""
