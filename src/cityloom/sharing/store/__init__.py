"""All SQL of sharing. Every write needs the platform's scope; each party reads what it is a party to."""
