"""The words that the sample is made of. Nobody in it ever lived."""

FIRST_NAMES = (
    "Abigail", "Adaeze", "Alma", "Anaïs", "Anton", "Beatriz", "Benjamin", "Célestine", "Clara",
    "Cornelius", "Dolores", "Édouard", "Elias", "Esther", "Ezekiel", "Frederick", "Greta",
    "Hannah", "Hiroshi", "Ida", "Isaac", "Jörg", "Josephine", "Lemuel", "Leocadia", "Lucretia",
    "Mabel", "Marcus", "Mercy", "Nathaniel", "Noémie", "Obadiah", "Octavia", "Phoebe", "Rafael",
    "Ruth", "Samuel", "Søren", "Theodora", "Thomas", "Ursula", "Walter", "Wilhelmina", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abernathy", "Achterberg", "Alderson", "Ångström", "Ashdown", "Barrowclough", "Beaumont",
    "Bellweather", "Bjørnson", "Blackwood", "Brontley", "Calloway", "Carvalho", "Chester-Holt",
    "Covington", "Dashwood", "de la Peña", "Delacroixe", "Drummond", "Eastlake", "Fairweather",
    "Févret", "Fitzwarren", "Galbraith", "Garrison", "Goldfinch", "Hathersage", "Hollister",
    "Inglewood", "Jefferies", "Kettering", "Kowalczyk", "Lambourne", "Lindqvist", "Lockwood",
    "MacAllister", "Marchbanks", "Merriweather", "Montclair", "Müllersdorf", "Nakagawa",
    "Núñez", "O'Callahan", "Oglethorpe", "Okonkwo", "Pemberton", "Pritchard", "Quisenberry",
    "Ravenscroft", "Rosenquist", "Saint-Méry", "Sandoval", "Silverthorne", "Strickland",
    "Tattersall", "Thistlewood", "Underhill", "Van der Meulen", "Vasquez", "Wainwright",
    "Whitcombe", "Winterbourne", "Yamamoto", "Zimmermann",
)  # fmt: skip
INITIALS = {"": 58, "A.": 6, "B.": 4, "C.": 4, "E.": 5, "H.": 5, "J.": 6, "M.": 5, "T.": 4, "W.": 3}
NICKNAMES = ("Buck", "Dolly", "Hank", "Kit", "Red", "Sunny")
# How life dates are written, with how often they are, and which of them the source has years for.
LIVES = {
    "BORN - DIED": 44,
    "20 Jan BORN - 3 Feb DIED": 25,
    "BORN - DIED?": 4,
    "? - DIED": 1,
    "born BORN": 13,
    "active c. BORN": 2,
    "active early 19th Century": 1,
    "born  BORN ": 1,
    "NULL": 9,
}
LIVES_WITH_END = ("BORN - DIED", "20 Jan BORN - 3 Feb DIED", "BORN - DIED?", "? - DIED")
LIVES_WITH_BEGIN = (*LIVES_WITH_END[:3], "born BORN", "active c. BORN")
FIRMS = ("& Brother Lithographers", "& Sons, Publishers", "Foundry", "Photographic Studio")
# The order is part of the data: links point to these by their place.
PLACEHOLDERS = (
    "Unidentified Artist",
    "Unidentified Man",
    "Unidentified Woman",
    "(Non-Portrait)",
    "(Multiple Sitters)",
)

# Classification and medium, each with how often it occurs.
KINDS = {
    ("Photograph", "Gelatin silver print"): 17,
    ("Photograph", "Albumen silver print"): 8,
    ("Photograph", "Half-plate daguerreotype"): 3,
    ("Photograph", "Color photograph on paper"): 6,
    ("Print", "Engraving on paper"): 8,
    ("Print", "Hand-colored lithograph on paper"): 7,
    ("Print", "Wood engraving on paper"): 5,
    ("Print", "Mezzotint, etching on paper"): 4,
    ("Drawing", "Charcoal and chalk on paper"): 8,
    ("Drawing", "Ink, opaque watercolor and graphite pencil on paper"): 8,
    ("Painting", "Oil on canvas"): 11,
    ("Painting", "Tempera on board"): 3,
    ("Bound Object", "Printed book, cloth"): 3,
    ("Sculpture", "Bronze"): 3,
    ("Silhouette", "Ink, chalk and cut paper on paper"): 2,
    ("Document", "NULL"): 1,
    ("Collage", "Cut paper, “found” cloth and gouache on board"): 1,
    ("Medal", "Silver  "): 1,
    ("Time-Based Media", "High-definition video, 4'33\""): 1,
}
# How objects are dated, with how often they are.
DATES = {
    "YEAR": 62,
    "c. YEAR": 22,
    "c. YEAR-LATER": 4,
    "YEAR (printed LATER)": 4,
    "May 5, YEAR": 2,
    "LATER cast after YEAR original": 1,
    "mid 19th Century": 1,
    "NULL": 3,
    "n.d.a.": 1,
}
DATES_WITHOUT_YEAR = ("NULL", "n.d.a.")
DONORS = (
    "gift of the artist's daughters, Alma and Ida Kettering",
    'gift of Lemuel "Buck" Hollister, Jr.',
    "gift of an anonymous donor",
    "bequest of Noémie Févret",
    "purchase funded by the Lindqvist Foundation,\nin memory of Søren Lindqvist",
    "conserved with funds from the Women's Committee",
)
HEADLINES = (
    'The "Great" Debate',
    "A Nation, Awake",
    "Why  Winter Works",
    "Grand Reception of the Notabilities, et al.",
    "Passers By",
    "El Niño's Year ",
    "Lunch at the Ritz",
    "Five Women, One Vote",
)
EXHIBITIONS = (
    "Faces of the Century,\n01/15/1999-06/30/1999",
    'On view in "New Arrivals" from 7/1/06',
    "American Beginnings, permanent collection",
)
SIZE_NOTES = {"": 909, "[MAX IDS SIZE = 500]": 65, "[MAX IDS SIZE = 4000]": 26}

PREFIXES = {
    1: {
        "Artist:": 983,
        "Attribution:": 12,
        "Cast after:": 3,
        "Possible attribution:": 1,
        "NULL": 1,
    },
    19: {"Sitter:": 995, "Possibly:": 3, "Formerly alleged:": 1, "NULL": 1},
    102: {
        "Copy after:": 52,
        "Publisher:": 20,
        "Lithographer:": 11,
        "Publication:": 7,
        "Printer:": 10,
    },
    106: {"Associated Person:": 50, "Author:": 25, "Addressee:": 13, "Signer:": 12},
}
SUFFIXES = {"NULL": 991, "(Photographer)": 8, " (Sculptor)": 1}

# Thesaurus terms with the path above them.
DISTINCTIONS = (
    ("Painter", "Visual Arts\\Artist\\"),
    ("Photographer", "Visual Arts\\Artist\\"),
    ("Engraver", "Visual Arts\\Artist\\Printmaker\\"),
    ("Lawyer", "Law and Law Enforcement\\"),
    ("New York", "Politics and Government\\US Senator\\"),
    ("Continental", "Politics and Government\\Congressman\\"),
    ("Physician", "Health and Medicine\\"),
    ("Suffragist", "Society and Social Change\\Reformer\\"),
    ("Novelist", "Literature\\Writer\\"),
    ("Actor", "Performing Arts\\Performer\\"),
    ("Army General", "Military and Intelligence\\Army\\Officer\\"),
    ("Astronomer", "Science and Technology\\Scientist\\"),
    ("Trustee", "Education\\Administrator\\University\\"),
    ("Baseball", "Sports and Recreation\\Athlete\\"),
)
GENDERS = (*[("Male", "")] * 6, ("Female", ""), ("Undetermined", ""))
PLACES = (
    ("New York", "North and Central America\\nations\\United States\\states\\New York\\"),
    ("Philadelphia", "North and Central America\\nations\\United States\\states\\Pennsylvania\\"),
    ("Washington", "North and Central America\\nations\\United States\\districts (national)\\"),
    ("Connecticut", "North and Central America\\nations\\United States\\states\\"),
    ("Montréal", "North and Central America\\nations\\Canada\\provinces\\Québec\\"),
    ("London", "Europe\\nations\\United Kingdom\\countries\\England\\"),
    ("Kraków", "Europe\\nations\\Poland\\"),
    ("Kyoto", "Asia\\nations\\Japan\\"),
)
