"""Images of your own: a folder of class folders, or Parquet, made into a data set that every recipe can train on.

    prepare(Path("flowers"), size=(64, 64))    -> Prepared, whose `dataset` is a name like "flowers-64x64:1a2b3c4d"

The part after the colon is of the content, so a run says exactly which images it saw, and a folder that has changed is
another data set. What was prepared lies under the runs folder, where later commands find it by that name.

    pictures    one encoded image to pixels: the rule of size and colour
    collect     what lies in the folder or the files: parts, classes, images
    parts       which images are trained on, held out, and tested on
    prepare     all of it, checked and stored
    store       what was prepared, read back
    adapt       a recipe for such a data set, and for a network of your own
"""
