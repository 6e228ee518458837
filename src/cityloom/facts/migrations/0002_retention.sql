-- What was asked is kept for as long as its list says, and then forgotten with those whom it was about.
CREATE INDEX asked_at ON facts.asked (list, at);
CREATE INDEX about_asked ON facts.about (asked);
GRANT DELETE ON facts.asked, facts.about TO cityloom_app;
