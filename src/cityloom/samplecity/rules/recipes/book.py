"""All recipes, in an order in which no row names one that comes later."""

from cityloom.samplecity.rules.recipes import business, care, learning, people

_BY_NAME = {
    recipe.dataset: recipe
    for recipe in (*people.RECIPES, *care.RECIPES, *learning.RECIPES, *learning.CITY_RECIPES, *business.RECIPES)
}
ORDER = (
    "school", "clinic", "metro_stop", "bus_stop", "school_plan", "school_catchment",
    "dwelling", "firm", "household", "household_resident", "residence_collected", "residence_permit", "tenancy", "ownership",
    "pupil", "teacher", "birth", "immunisation", "death", "marriage", "senior_card", "disability_card",
    "social_insurance_payment", "provident_fund_payment", "firm_licence", "firm_annual_report",
    "tax_registration", "vehicle",
)  # fmt: skip
CITY = tuple(_BY_NAME[name] for name in ORDER if _BY_NAME[name].scope == "city")
BLOCK = tuple(_BY_NAME[name] for name in ORDER if _BY_NAME[name].scope == "block")
