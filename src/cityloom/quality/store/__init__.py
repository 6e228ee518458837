"""All SQL of quality. Every write needs the platform's scope; each party reads what it is a party to."""
