"""Photos by HTTP: post one, get a job's id, watch it, fetch what it becomes. For products to build on.

``app`` is what the network sees; ``desk`` keeps the jobs and the processes that do them; ``given`` reads what was posted and
holds it to ``limits``; ``metrics`` counts.
"""
