#!/usr/bin/env python3
"""Trains pytabkit's RealMLP_TD on a table and prints its test score, for a comparison with `family = "realmlp"`.

    benches/peers/realmlp_tables.py data/downloads/diamonds_train.csv.gz data/downloads/diamonds_test.csv.gz price 32

The arguments are the training rows, the test rows, the target and the number of epochs. A target of texts is a class, whose score is
the ROC-AUC of the second of two classes; a number's is the RMSE. A tenth of the training rows selects the best epoch. Give
`cupola train` the same rows: `data.test_source`, and `[split]` with `valid = 0.1`. Needs pytabkit 1.7.3, pandas, scikit-learn.
"""
import sys
import time

import numpy as np
import pandas as pd
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
from sklearn.metrics import roc_auc_score

train, test = map(pd.read_csv, sys.argv[1:3])
target, epochs = sys.argv[3], int(sys.argv[4])
x, y = train.drop(columns=target), train[target]
is_number = pd.api.types.is_numeric_dtype(y)
own = np.random.RandomState(0).rand(len(train)) < 0.9
Model = RealMLP_TD_Regressor if is_number else RealMLP_TD_Classifier
for seed in range(3):
    started = time.time()
    model = Model(n_epochs=epochs, random_state=seed, device="cpu")
    model.fit(x[own], y[own], x[~own], y[~own])
    if is_number:
        score = f"rmse {np.sqrt(((model.predict(test.drop(columns=target)) - test[target]) ** 2).mean()):.1f}"
    else:
        p = model.predict_proba(test.drop(columns=target))
        score = f"roc_auc {roc_auc_score(test[target] == model.classes_[1], p[:, 1]):.4f}"
    print(f"seed {seed}: test {score} in {time.time() - started:.0f} s")
