"""What a server bears that already runs, somewhere: `python -m benchmarks capacity URL`.

    question     what is asked, and whether it can be answered at all
    address      where the server is, and whether that is this very machine
    asking       a question to it over HTTP, and its refusals in words with a cure
    served       what the server serves: path, images, bodies; found by `catalogue` or, for the OIP, by `metadata`
    folder       a measurement on disk
    measure      the loads of it, in order
    result       figures from their rows
    verdict      one sentence and an exit code
    words, figures, page    the result for people
"""
