"""HJ 212-2017 (污染物在线监控(监测)系统数据传输标准), its forerunner of 2005, and what is known of that of 2025."""
