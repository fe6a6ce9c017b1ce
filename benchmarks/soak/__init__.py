"""Does it hold? Long load with everything that goes wrong in the outside world, and a flood of broken requests.

    bodies       requests whose right answer is known
    corpus       requests that are broken, from a seed
    connection   HTTP/1.1 by hand: half-sent, trickled and abandoned requests included
    memory       samples of the workers' memory, and whether it grows
    soaking      the soak
    fuzzing      the flood
"""
