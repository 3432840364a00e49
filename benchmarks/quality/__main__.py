from quality.run import main

main()
