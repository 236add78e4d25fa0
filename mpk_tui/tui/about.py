"""What one does on each screen, in four sentences: for Help and for the guide."""

from __future__ import annotations

ABOUT = {
    "home": (
        "The workbench begins here: open a case, begin one, or check a bundle that somebody else made.",
        "A case is a folder; the list shows those opened lately and those in the folder where you started.",
        "Only one person writes a case at a time: a second opening is read-only and says who holds it.",
        "The list is a courtesy: it holds folders only, lies in your own data folder, and can be emptied.",
    ),
    "case": (
        "Here stands what the case says of itself: number, title, examiner, exhibit, authority, purpose.",
        "Below it are the gaps that a signature waits for; every step may be visited in any order.",
        "Notes and custody statements (intake, transfer, seal, mount) are entered here and travel with the bundle.",
        "What you change is a new entry of the journal; the old one stays.",
    ),
    "artifacts": (
        "Name the checkpoints: the subject is the model in question, a reference is what it may come from.",
        "Each pair of a subject and a reference is answered for itself; a merge has several references.",
        "Nothing in a checkpoint is run, unpickled or changed; only headers are read here.",
        "A fingerprint file (.mpkf) can stand for a checkpoint that is not at hand.",
    ),
    "fingerprint": (
        "A fingerprint is every file's and every tensor's SHA-256 and the features that the tests need.",
        "It is one pass over the weights, runs in the background, and can be paused and stopped.",
        "The digests identify what was examined; the receiver of the bundle compares them with a copy of their own.",
        "A job that was cut off does not hash finished files again, and says which it trusts.",
    ),
    "compare": (
        "The comparison tests layer by layer whether the two models share an origin, against a stated null.",
        "Look at its findings, its tables of every tensor, and its pictures with the numbers beside them.",
        "A p-value bounds how often independent initialisations would look like this; it is no probability of a link.",
        "A row, a tensor or a picture becomes an item of evidence by one key, with the record that it comes from.",
    ),
    "evidence": (
        "Collect what supports an answer: (a) official documentation, (b) checkpoint verification, (c) peer-reviewed "
        "analysis.",
        "Context and an author's denial are kept too; context never carries a condition, alone or together.",
        "A file is attached by its path: it is hashed, copied into the case, and travels with the bundle.",
        "Quote the words that matter and say where they stand, so that a reader finds them.",
    ),
    "conditions": (
        "One question a screen, in the constitution's own order; a pair is linked if at least one condition is met.",
        "The tool's proposal and its numbers stand above your answer; you confirm or overrule it, with a reason.",
        "Undetermined is the default and counts as independent.",
        "A condition counts as met only with evidence of kind (a), (b) or (c) that supports it.",
    ),
    "mechanism": (
        "Say how the one came from the other; only mechanisms that the met conditions allow are offered.",
        "Several may apply, a merge and an adapter for instance.",
        "Each has what counts for it and what does not.",
        "The relation is symmetric: which model came first is said only where documents establish it.",
    ),
    "exclusions": (
        "An exclusion says why two models that look alike are independent.",
        "It needs evidence like any other label; that nothing was found establishes none.",
        "An exclusion beside a condition that is met is a contradiction, which blocks the signature.",
        "Resolve it in writing, or change one of the two answers.",
    ),
    "review": (
        "The verdict follows from answers and evidence; nobody types it.",
        "Every gap is listed, with a jump to where it is closed; only signing is gated.",
        "Write the rationale, name known gaps of the constitution that bear on it, and sign.",
        "The signed bundle is one file that anybody checks without a network.",
    ),
    "history": (
        "The journal: who did what, when, in UTC, each entry chained to the one before by a hash.",
        "Nothing is ever removed; taking back is an entry too, and so is restoring.",
        "A row opens into the whole record.",
        "The journal becomes the log section of the bundle as it stands here.",
    ),
    "jobs": (
        "Long work runs here in the background: what it is, how far, how fast, and how long still.",
        "A job can be paused, resumed and stopped; a result enters the case only when it is whole.",
        "Leaving a screen does not stop its job; its row leads to where it was started.",
        "Closing the workbench stops jobs; a fingerprint goes on from the files that were finished.",
    ),
    "library": (
        "Reference models that a strange one is held against: what is said of each, by whom, and what was measured.",
        "One of them may be added to the open case as a reference, where the checkpoint itself is not at hand.",
        "Names, sources and licences are statements of people; the history keeps who said what.",
        "Fingerprints carry digests and features, not weights; both may be confidential as the models are.",
    ),
    "scan": (
        "Hold a model against a library of reference fingerprints, to see what it is related to.",
        "Relatives are ranked by what was found in the weights, near misses say why they are none.",
        "The order of a list says nothing of which model came first; an arrow stands only where documents say so.",
        "A relative added to the case is compared and judged like any reference: a scan is a lead and decides nothing.",
    ),
    "verify": (
        "Open a bundle that somebody else made: the verdict on the file comes first, in words.",
        "VALID means that signature and contents are intact; it endorses no conclusion.",
        "Whom you trust is yours to say: name a key or use your trust store.",
        "Look at every number behind the conclusion, hold it against a checkpoint of your own, endorse or dissent.",
    ),
}
"""Screen to its sentences."""
